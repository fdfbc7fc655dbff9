!> Vertical distribution of carbon input in the `proda` scheme.
!>
!> PRODA matrix_fun.m: layer j between the interfaces z(j-1) and z(j) receives
!> beta**(100 z(j-1)) - beta**(100 z(j)) of the input, divided by the sum over the 8.6 m; it is not cut off at bedrock.
!> Here the common factor 1 - beta**2 is divided out, which leaves sums of positive terms: no cancellation near beta = 1
!> and no division by zero there. All interfaces are multiples of 2 cm, so all powers are integer.
module proda_input
   use kinds, only: dp, lanes
   use soil_grid, only: n_layers, layer_thickness
   implicit none (type, external)
   private

   public :: input_profiles

   real(dp), parameter :: per_thickness(n_layers) = 1.0_dp/layer_thickness
   !> Thickness of each layer in steps of 2 cm.
   integer, parameter :: steps(n_layers) = nint(layer_thickness/0.02_dp)
   !> How much thicker the next layer is; the last has none.
   integer, parameter :: increments(n_layers) = [steps(2:) - steps(:n_layers - 1), 0]
   integer, parameter :: largest_increment = 5

contains

   !> Share of the input per metre of each layer (m-1), and its derivative with respect to beta, for a block of columns.
   !> Where `surface_only` is not zero, all of it enters the top layer.
   pure subroutine input_profiles(beta, surface_only, density, slope)
      real(dp), intent(in) :: beta(lanes), surface_only(lanes)
      real(dp), intent(out) :: density(lanes, n_layers), slope(lanes, n_layers)

      real(dp), dimension(lanes) :: total, total_slope, per_total
      real(dp) :: scale
      integer :: lane, j

      call relative_shares(beta*beta, density, slope, total, total_slope)
      per_total = merge(0.0_dp, 1.0_dp/total, surface_only > 0.0_dp)
      total_slope = total_slope*per_total
      do j = 1, n_layers
         !$omp simd private(scale)
         do lane = 1, lanes
            scale = per_total(lane)*per_thickness(j)
            slope(lane, j) = 2.0_dp*beta(lane)*scale*(slope(lane, j) - density(lane, j)*total_slope(lane))
            density(lane, j) = density(lane, j)*scale
         end do
      end do
      density(:, 1) = density(:, 1) + merge(per_thickness(1), 0.0_dp, surface_only > 0.0_dp)
   end subroutine input_profiles

   !> Of each layer y**a (1 + y + ... + y**(n-1)), where a and n are its top and its thickness in steps and y is
   !> beta**2; the derivative with respect to y; and their sums. From layer to layer the thickness grows by 1, 2 or 5
   !> steps.
   pure subroutine relative_shares(y, share, slope, total, total_slope)
      real(dp), intent(in) :: y(lanes)
      real(dp), intent(out), dimension(lanes, n_layers) :: share, slope
      real(dp), intent(out), dimension(lanes) :: total, total_slope

      real(dp), dimension(lanes, 0:largest_increment) :: power, power_slope, geometric, geometric_slope
      real(dp), dimension(lanes) :: top, top_slope         ! y**a
      real(dp), dimension(lanes) :: across, across_slope   ! y**n
      real(dp), dimension(lanes) :: series, series_slope   ! 1 + ... + y**(n-1)
      integer :: lane, j, more

      call short_series(y, power, power_slope, geometric, geometric_slope)
      top = 1.0_dp
      top_slope = 0.0_dp
      across = power(:, steps(1))
      across_slope = power_slope(:, steps(1))
      series = geometric(:, steps(1))
      series_slope = geometric_slope(:, steps(1))
      total = 0.0_dp
      total_slope = 0.0_dp
      do j = 1, n_layers
         more = increments(j)
         !$omp simd
         do lane = 1, lanes
            share(lane, j) = top(lane)*series(lane)
            slope(lane, j) = top_slope(lane)*series(lane) + top(lane)*series_slope(lane)
            total(lane) = total(lane) + share(lane, j)
            total_slope(lane) = total_slope(lane) + slope(lane, j)
            top_slope(lane) = top_slope(lane)*across(lane) + top(lane)*across_slope(lane)
            top(lane) = top(lane)*across(lane)
            series_slope(lane) = series_slope(lane) + across_slope(lane)*geometric(lane, more) &
                                 + across(lane)*geometric_slope(lane, more)
            series(lane) = series(lane) + across(lane)*geometric(lane, more)
            across_slope(lane) = across_slope(lane)*power(lane, more) + across(lane)*power_slope(lane, more)
            across(lane) = across(lane)*power(lane, more)
         end do
      end do
   end subroutine relative_shares

   !> Powers of y and geometric sums 1 + y + ... + y**(n-1), with derivatives.
   pure subroutine short_series(y, power, power_slope, geometric, geometric_slope)
      real(dp), intent(in) :: y(lanes)
      real(dp), intent(out), dimension(lanes, 0:largest_increment) :: power, power_slope, geometric, geometric_slope

      integer :: lane, n

      power(:, 0) = 1.0_dp
      power_slope(:, 0) = 0.0_dp
      geometric(:, 0) = 0.0_dp
      geometric_slope(:, 0) = 0.0_dp
      do n = 1, largest_increment
         !$omp simd
         do lane = 1, lanes
            power(lane, n) = power(lane, n - 1)*y(lane)
            power_slope(lane, n) = n*power(lane, n - 1)
            geometric(lane, n) = geometric(lane, n - 1) + power(lane, n - 1)
            geometric_slope(lane, n) = geometric_slope(lane, n - 1) + power_slope(lane, n - 1)
         end do
      end do
   end subroutine short_series

end module proda_input
