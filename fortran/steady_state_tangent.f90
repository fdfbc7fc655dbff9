!> Tangent of the steady state: how soil carbon changes with the coefficients of its equations.
!>
!> Where A y = b, the change of y solves A dy = db - dA y, which reuses the factors of the steady state.
module steady_state_tangent
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers
   use proda_parameters, only: n_parameters, i_diffus, i_cryo, i_q10, i_efolding, i_tau_l1, i_tau_l2, i_tau_s1, &
                               i_tau_s3, i_fl1s1, i_fl2s1, i_fl3s2, i_fs1s2, i_fs1s3, i_fs2s1, i_fs2s3, i_fs3s1, &
                               i_fcwdl2, i_w_scaling, i_beta
   use proda_forcing, only: i_input_cwd, i_input_l1, i_input_l2, i_input_l3
   use column_block, only: block_coefficients, block_slopes, block_factors, block_solution
   use steady_state, only: solve_soil
   implicit none (type, external)
   private

   public :: block_change, complete_change, soil_carbon_change

   !> Changes of a block's coefficients; for their meaning see block_coefficients.
   type :: block_change
      real(dp) :: parameter(lanes, n_parameters)
      real(dp) :: input(lanes, 4)
      real(dp), dimension(lanes, n_layers) :: month_mean, litter_month_mean   !< first by climate alone, then by all
      real(dp), dimension(lanes, n_layers) :: scalar, litter_scalar, lower, upper, profile
   end type block_change

contains

   !> Fill in the changes that follow from those of parameters, and from those of the month means by climate.
   pure subroutine complete_change(c, slopes, change)
      type(block_coefficients), intent(in) :: c
      type(block_slopes), intent(in) :: slopes
      type(block_change), intent(inout) :: change

      real(dp) :: log_q10(lanes)
      integer :: j

      associate (d => change%parameter)
         log_q10 = d(:, i_q10)/c%parameter(:, i_q10)
         do j = 1, n_layers
            change%month_mean(:, j) = change%month_mean(:, j) + slopes%by_log_q10(:, j)*log_q10 &
                                      + slopes%by_water(:, j)*d(:, i_w_scaling)
            change%litter_month_mean(:, j) = change%litter_month_mean(:, j) + slopes%litter_by_log_q10(:, j)*log_q10 &
                                             + slopes%litter_by_water(:, j)*d(:, i_w_scaling)
            change%scalar(:, j) = change%month_mean(:, j)*c%depth(:, j) &
                                  + c%month_mean(:, j)*c%depth_slope(:, j)*d(:, i_efolding)
            change%litter_scalar(:, j) = change%litter_month_mean(:, j)*c%depth(:, j) &
                                         + c%litter_month_mean(:, j)*c%depth_slope(:, j)*d(:, i_efolding)
            change%lower(:, j) = slopes%lower_by_diffus(:, j)*d(:, i_diffus) + slopes%lower_by_cryo(:, j)*d(:, i_cryo)
            change%upper(:, j) = slopes%upper_by_diffus(:, j)*d(:, i_diffus) + slopes%upper_by_cryo(:, j)*d(:, i_cryo)
            change%profile(:, j) = c%profile_slope(:, j)*d(:, i_beta)
         end do
      end associate
   end subroutine complete_change

   !> Change of soil carbon by layer, gC m-3.
   pure subroutine soil_carbon_change(c, factors, y, change, soc_change)
      type(block_coefficients), intent(in) :: c
      type(block_factors), intent(in) :: factors
      type(block_solution), intent(in) :: y
      type(block_change), intent(in) :: change
      real(dp), intent(out) :: soc_change(lanes, n_layers)

      real(dp), dimension(lanes, 2, n_layers) :: litter_source, litter_change
      real(dp), dimension(lanes, 3, n_layers) :: source, soil_change
      integer :: pool

      call litter_source_change(c, y, change, litter_source)
      call substitute_litter(c, factors, litter_source, litter_change)
      call soil_source_change(c, y, change, litter_change, source)
      call solve_soil(c, factors, source, soil_change)
      soc_change = 0.0_dp
      do pool = 1, 3
         associate (tau => c%parameter(:, i_tau_s1 + pool - 1), tau_change => change%parameter(:, i_tau_s1 + pool - 1))
            soc_change = soc_change + spread(tau, 2, n_layers)*soil_change(:, pool, :) &
                         + spread(tau_change, 2, n_layers)*y%soil(:, pool, :)
         end associate
      end do
   end subroutine soil_carbon_change

   !> Right-hand side for the change of litter, per unit of annual input.
   pure subroutine litter_source_change(c, y, change, source)
      type(block_coefficients), intent(in) :: c
      type(block_solution), intent(in) :: y
      type(block_change), intent(in) :: change
      real(dp), intent(out) :: source(lanes, 2, n_layers)
      integer :: pool, j

      do j = 1, n_layers
         do pool = 1, 2
            source(:, pool, j) = change%profile(:, j) - change%litter_scalar(:, j)*y%litter(:, pool, j) &
                                 + mixing_change(c, change, i_tau_l1 + pool - 1, y%litter(:, pool, :), j)
         end do
      end do
   end subroutine litter_source_change

   !> Minus the change of tau (T y) in layer j at constant y.
   pure function mixing_change(c, change, i_tau, y, j) result(gain)
      type(block_coefficients), intent(in) :: c
      type(block_change), intent(in) :: change
      integer, intent(in) :: i_tau, j
      real(dp), intent(in) :: y(lanes, n_layers)
      real(dp) :: gain(lanes), down(lanes), up(lanes)

      down = y(:, max(j - 1, 1)) - y(:, j)   ! where there is no neighbour, the exchange is zero
      up = y(:, min(j + 1, n_layers)) - y(:, j)
      gain = change%parameter(:, i_tau)*(c%lower(:, j)*down + c%upper(:, j)*up) &
             + c%parameter(:, i_tau)*(change%lower(:, j)*down + change%upper(:, j)*up)
   end function mixing_change

   !> Litter for what enters it, with the factors of the steady state.
   pure subroutine substitute_litter(c, factors, source, litter)
      type(block_coefficients), intent(in) :: c
      type(block_factors), intent(in) :: factors
      real(dp), intent(in) :: source(lanes, 2, n_layers)
      real(dp), intent(out) :: litter(lanes, 2, n_layers)

      real(dp) :: carried(lanes)
      integer :: pool, j

      do pool = 1, 2
         associate (tau => c%parameter(:, i_tau_l1 + pool - 1), inverse => factors%litter_inverse(:, pool, :))
            carried = 0.0_dp
            do j = 1, n_layers
               carried = (source(:, pool, j) + tau*c%lower(:, j)*carried)*inverse(:, j)
               litter(:, pool, j) = carried
            end do
            do j = n_layers - 1, 1, -1
               carried = litter(:, pool, j) + inverse(:, j)*tau*c%upper(:, j)*carried
               litter(:, pool, j) = carried
            end do
         end associate
      end do
   end subroutine substitute_litter

   !> Right-hand side for the change of S1-S3: what litter hands over, and their own equations at constant carbon.
   pure subroutine soil_source_change(c, y, change, litter_change, source)
      type(block_coefficients), intent(in) :: c
      type(block_solution), intent(in) :: y
      type(block_change), intent(in) :: change
      real(dp), intent(in) :: litter_change(lanes, 2, n_layers)
      real(dp), intent(out) :: source(lanes, 3, n_layers)

      real(dp), dimension(lanes, 3) :: from_litter, from_litter_change   ! L1 to S1, L2 to S1, L3 to S2
      real(dp), dimension(lanes) :: loss1, loss2, s, ds
      integer :: pool, j

      call handed_over(c, change, from_litter, from_litter_change)
      associate (p => c%parameter, d => change%parameter)
         do j = 1, n_layers
            loss1 = change%litter_scalar(:, j)*y%litter(:, 1, j) + c%litter_scalar(:, j)*litter_change(:, 1, j)
            loss2 = change%litter_scalar(:, j)*y%litter(:, 2, j) + c%litter_scalar(:, j)*litter_change(:, 2, j)
            source(:, 1, j) = from_litter(:, 1)*loss1 + from_litter(:, 2)*loss2 &
                              + c%litter_scalar(:, j)*(from_litter_change(:, 1)*y%litter(:, 1, j) &
                                                       + from_litter_change(:, 2)*y%litter(:, 2, j))
            source(:, 2, j) = from_litter(:, 3)*loss2 &
                              + c%litter_scalar(:, j)*from_litter_change(:, 3)*y%litter(:, 2, j)
            source(:, 3, j) = 0.0_dp
            s = c%scalar(:, j)
            ds = change%scalar(:, j)
            associate (y1 => y%soil(:, 1, j), y2 => y%soil(:, 2, j), y3 => y%soil(:, 3, j))
               source(:, 1, j) = source(:, 1, j) + ds*(p(:, i_fs2s1)*y2 + p(:, i_fs3s1)*y3 - y1) &
                                 + s*(d(:, i_fs2s1)*y2 + d(:, i_fs3s1)*y3)
               source(:, 2, j) = source(:, 2, j) + ds*(p(:, i_fs1s2)*y1 - y2) + s*d(:, i_fs1s2)*y1
               source(:, 3, j) = source(:, 3, j) + ds*(p(:, i_fs1s3)*y1 + p(:, i_fs2s3)*y2 - y3) &
                                 + s*(d(:, i_fs1s3)*y1 + d(:, i_fs2s3)*y2)
            end associate
            do pool = 1, 3
               source(:, pool, j) = source(:, pool, j) &
                                    + mixing_change(c, change, i_tau_s1 + pool - 1, y%soil(:, pool, :), j)
            end do
         end do
      end associate
   end subroutine soil_source_change

   !> Annual input times the fraction of it that litter hands to the soil, gC m-2 yr-1, and its change.
   pure subroutine handed_over(c, change, from_litter, from_litter_change)
      type(block_coefficients), intent(in) :: c
      type(block_change), intent(in) :: change
      real(dp), intent(out), dimension(lanes, 3) :: from_litter, from_litter_change

      real(dp), dimension(lanes, 3) :: input, input_change   ! of L1, L2, L3 with their shares of woody debris

      associate (p => c%parameter, d => change%parameter, share => c%parameter(:, i_fcwdl2), &
                 share_change => change%parameter(:, i_fcwdl2), debris => c%input(:, i_input_cwd), &
                 debris_change => change%input(:, i_input_cwd))
         input = c%input(:, i_input_l1:i_input_l3)
         input(:, 2) = input(:, 2) + share*debris
         input(:, 3) = input(:, 3) + (1.0_dp - share)*debris
         input_change = change%input(:, i_input_l1:i_input_l3)
         input_change(:, 2) = input_change(:, 2) + share*debris_change + share_change*debris
         input_change(:, 3) = input_change(:, 3) + (1.0_dp - share)*debris_change - share_change*debris
         from_litter = p(:, i_fl1s1:i_fl3s2)*input
         from_litter_change = d(:, i_fl1s1:i_fl3s2)*input + p(:, i_fl1s1:i_fl3s2)*input_change
      end associate
   end subroutine handed_over

end module steady_state_tangent
