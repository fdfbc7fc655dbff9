!> Vertical mixing of the `proda` scheme: exchange between neighbouring layers by bio- and cryoturbation.
!>
!> PRODA tri_matrix.m, after CTSM SoilBiogeochemLittVertTranspMod.F90 (CLM5 tech note, chapter Decomposition, vertical
!> distribution and transport). Row j of the transport operator is
!>    lower(j) (x(j) - x(j-1)) + upper(j) (x(j) - x(j+1)), yr-1.
!> Every diffusivity is the parameter times a known shape, and the harmonic mean of two diffusivities scales with them,
!> so that lower = diffus * lower_bio + cryo * lower_cryo + lower_floor (upper likewise), where the shapes are constants
!> of the column.
module proda_transport
   use kinds, only: dp
   use soil_grid, only: n_layers, layer_thickness, &
                        node_depth => decimal_node_depth, interface_depth => decimal_interface_depth
   implicit none (type, external)
   private

   public :: n_exchange, i_lower_bio, i_lower_cryo, i_lower_floor, i_upper_bio, i_upper_cryo, i_upper_floor
   public :: unit_exchange

   integer, parameter :: n_exchange = 6
   integer, parameter :: i_lower_bio = 1, i_lower_cryo = 2, i_lower_floor = 3
   integer, parameter :: i_upper_bio = 4, i_upper_cryo = 5, i_upper_floor = 6

   !> Thawed deeper than this, a soil is mixed by animals, else by frost (m): max_altdepth_cryoturbation.
   real(dp), parameter :: deepest_cryoturbated_thaw = 2.0_dp
   !> Cryoturbation ends at this depth at the latest (m): max_depth_cryoturb.
   real(dp), parameter :: deepest_cryoturbation = 3.0_dp
   !> Diffusivity (m2 day-1) and advection (m day-1) are never less than this: epsilon.
   real(dp), parameter :: floor_per_day = 1.0e-30_dp
   real(dp), parameter :: days_per_year = 365.0_dp

contains

   !> Exchange per unit of diffusivity, for one thaw depth (m, the greater of this year's and last year's) and one
   !> bedrock layer. In the row below bedrock the exchange with the layer under it is set to that with the layer above
   !> (tri_matrix.m, lines 125-134), which the layer under it does not return: carbon is lost there.
   pure subroutine unit_exchange(thaw, bedrock, exchange)
      real(dp), intent(in) :: thaw
      integer, intent(in) :: bedrock
      real(dp), intent(out) :: exchange(n_layers, n_exchange)

      real(dp) :: shape(n_layers + 1), conductance, floor_down, floor_up
      integer :: j, column

      call diffusivity_shape(thaw, bedrock, shape)
      column = merge(1, 0, thaw > deepest_cryoturbated_thaw)   ! 1: mixed by animals, 0: by frost
      exchange = 0.0_dp
      do j = 2, n_layers   ! the face between layers j-1 and j
         call face(j, shape(j - 1), shape(j), conductance, floor_down, floor_up)
         exchange(j, i_lower_cryo - column) = conductance/layer_thickness(j)
         exchange(j, i_lower_floor) = floor_down/layer_thickness(j)
         exchange(j - 1, i_upper_cryo - column) = conductance/layer_thickness(j - 1)
         exchange(j - 1, i_upper_floor) = floor_up/layer_thickness(j - 1)
      end do
      call below_bedrock(bedrock, shape, exchange)
   end subroutine unit_exchange

   !> Diffusivity at the bottom of each layer, as a share of the parameter's value; it is used as the value at the node.
   !> The comparison with the thaw depth is strict, and with the published code's decimals. Where the thaw depth equals
   !> the end of cryoturbation, the published code divides 0 by 0 and takes 0.
   pure subroutine diffusivity_shape(thaw, bedrock, shape)
      real(dp), intent(in) :: thaw
      integer, intent(in) :: bedrock
      real(dp), intent(out) :: shape(n_layers + 1)

      real(dp) :: bottom
      integer :: j

      shape = 0.0_dp
      if (thaw > deepest_cryoturbated_thaw) then
         shape(:bedrock + 1) = 1.0_dp
      else if (thaw > 0.0_dp) then
         bottom = min(deepest_cryoturbation, interface_depth(bedrock + 1))
         do j = 1, bedrock + 1
            if (interface_depth(j) < thaw) then
               shape(j) = 1.0_dp
            else if (bottom > thaw) then
               shape(j) = max(0.0_dp, 1.0_dp - (interface_depth(j) - thaw)/(bottom - thaw))
            end if
         end do
      end if
   end subroutine diffusivity_shape

   !> Exchange across the face above layer j: `conductance` per unit diffusivity (m-1), and what the floors on
   !> diffusivity and advection give (m yr-1), downward into j and upward out of j.
   pure subroutine face(j, above, below, conductance, floor_down, floor_up)
      integer, intent(in) :: j
      real(dp), intent(in) :: above, below
      real(dp), intent(out) :: conductance, floor_down, floor_up

      real(dp) :: weight, distance, mean_floor, power_law

      distance = node_depth(j) - node_depth(j - 1)
      weight = (interface_depth(j - 1) - node_depth(j - 1))/distance
      conductance = 0.0_dp
      floor_down = floor_per_day*days_per_year
      floor_up = 0.0_dp
      if (above > 0.0_dp .and. below > 0.0_dp) then
         conductance = 1.0_dp/((1.0_dp - weight)/below + weight/above)/distance
      else
         mean_floor = floor_mean(above, weight)/distance
         power_law = patankar(floor_per_day/mean_floor)
         floor_up = mean_floor*power_law*days_per_year
         floor_down = floor_down + floor_up
      end if
   end subroutine face

   !> Harmonic mean (m2 day-1) of two diffusivities of which that below is the floor: mixing does not grow with depth.
   !> That above, if it is not the floor, is so much larger that its share of the mean vanishes.
   pure function floor_mean(above, weight) result(mean)
      real(dp), intent(in) :: above, weight
      real(dp) :: mean

      mean = floor_per_day
      if (above > 0.0_dp) mean = floor_per_day/(1.0_dp - weight)
   end function floor_mean

   !> Patankar (1980), power-law scheme: factor on the conductance for a Peclet number.
   pure function patankar(peclet) result(factor)
      real(dp), intent(in) :: peclet
      real(dp) :: factor

      factor = max(0.0_dp, (1.0_dp - 0.1_dp*abs(peclet))**5)
   end function patankar

   !> Rows under bedrock: the exchange with the layer below equals that with the layer above, without advection. The
   !> last layer has none.
   pure subroutine below_bedrock(bedrock, shape, exchange)
      integer, intent(in) :: bedrock
      real(dp), intent(in) :: shape(n_layers + 1)
      real(dp), intent(inout) :: exchange(n_layers, n_exchange)

      real(dp) :: weight, distance
      integer :: j

      do j = max(bedrock + 1, 2), n_layers - 1
         exchange(j, i_upper_bio) = exchange(j, i_lower_bio)
         exchange(j, i_upper_cryo) = exchange(j, i_lower_cryo)
         exchange(j, i_upper_floor) = 0.0_dp
         if (shape(j) > 0.0_dp .and. shape(j - 1) > 0.0_dp) cycle
         distance = node_depth(j) - node_depth(j - 1)
         weight = (interface_depth(j - 1) - node_depth(j - 1))/distance
         exchange(j, i_upper_floor) = floor_mean(shape(j - 1), weight)/distance*days_per_year &
                                      /layer_thickness(j)
      end do
   end subroutine below_bedrock

end module proda_transport
