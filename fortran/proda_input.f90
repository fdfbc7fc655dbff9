!> How carbon input is spread over the layers in the `proda` scheme.
!>
!> PRODA matrix_fun.m, lines 205-225: layer j between the interfaces z(j-1) and z(j) receives
!> beta**(100 z(j-1)) - beta**(100 z(j)) of the input, divided by the sum over the 8.6 m; bedrock does not cut it off.
!> Here the common factor 1 - beta**2 is divided out, which leaves sums of positive terms: no cancellation near beta = 1
!> and no division by zero at it. All interfaces are multiples of 2 cm, so that every power is an integer one.
module proda_input
   use kinds, only: dp
   use soil_grid, only: n_layers, layer_thickness
   implicit none (type, external)
   private

   public :: input_profile

   !> Thickness of each layer in steps of 2 cm.
   integer, parameter :: steps(n_layers) = nint(layer_thickness/0.02_dp)
   integer, parameter :: largest_increment = 5

contains

   !> Share of the input per metre of each layer (m-1), and its derivative with respect to beta. With `surface_only`,
   !> all of it enters the top layer.
   pure subroutine input_profile(beta, surface_only, density, slope)
      real(dp), intent(in) :: beta
      logical, intent(in) :: surface_only
      real(dp), intent(out) :: density(n_layers), slope(n_layers)

      real(dp) :: share(n_layers), share_slope(n_layers), total, total_slope

      if (surface_only) then
         density = 0.0_dp
         density(1) = 1.0_dp/layer_thickness(1)
         slope = 0.0_dp
         return
      end if
      call relative_shares(beta*beta, share, share_slope)
      total = sum(share)
      total_slope = sum(share_slope)
      density = share/total/layer_thickness
      slope = 2.0_dp*beta*(share_slope/layer_thickness - density*total_slope)/total
   end subroutine input_profile

   !> Of each layer y**a (1 + y + ... + y**(n-1)), where a and n are its top and its thickness in steps and y is
   !> beta**2; and the derivative with respect to y. From layer to layer the thickness grows by 1, 2 or 5 steps.
   pure subroutine relative_shares(y, share, slope)
      real(dp), intent(in) :: y
      real(dp), intent(out) :: share(n_layers), slope(n_layers)

      real(dp) :: power(0:largest_increment), power_slope(0:largest_increment)
      real(dp) :: geometric(0:largest_increment), geometric_slope(0:largest_increment)
      real(dp) :: top, top_slope, across, across_slope, series, series_slope   ! y**a, y**n, 1 + ... + y**(n-1)
      integer :: j, more

      call short_series(y, power, power_slope, geometric, geometric_slope)
      top = 1.0_dp
      top_slope = 0.0_dp
      across = power(steps(1))
      across_slope = power_slope(steps(1))
      series = geometric(steps(1))
      series_slope = geometric_slope(steps(1))
      do j = 1, n_layers
         share(j) = top*series
         slope(j) = top_slope*series + top*series_slope
         if (j == n_layers) exit
         top_slope = top_slope*across + top*across_slope
         top = top*across
         more = steps(j + 1) - steps(j)
         series_slope = series_slope + across_slope*geometric(more) + across*geometric_slope(more)
         series = series + across*geometric(more)
         across_slope = across_slope*power(more) + across*power_slope(more)
         across = across*power(more)
      end do
   end subroutine relative_shares

   !> Powers of y and geometric sums 1 + y + ... + y**(n-1), with derivatives.
   pure subroutine short_series(y, power, power_slope, geometric, geometric_slope)
      real(dp), intent(in) :: y
      real(dp), intent(out) :: power(0:largest_increment), power_slope(0:largest_increment)
      real(dp), intent(out) :: geometric(0:largest_increment), geometric_slope(0:largest_increment)

      integer :: n

      power(0) = 1.0_dp
      power_slope(0) = 0.0_dp
      geometric(0) = 0.0_dp
      geometric_slope(0) = 0.0_dp
      do n = 1, largest_increment
         power(n) = power(n - 1)*y
         power_slope(n) = n*power(n - 1)
         geometric(n) = geometric(n - 1) + power(n - 1)
         geometric_slope(n) = geometric_slope(n - 1) + power_slope(n - 1)
      end do
   end subroutine short_series

end module proda_input
